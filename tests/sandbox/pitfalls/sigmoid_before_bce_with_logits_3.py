import torch

pixels = torch.rand(8, 16)
encoder = torch.nn.Linear(16, 4)
decoder = torch.nn.Linear(4, 16)
criterion = torch.nn.BCEWithLogitsLoss(reduction="sum")
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])
history = []
for _ in range(3):
    code = encoder(pixels).relu()
    picture = decoder(code).sigmoid().view(8, 4, 4)
    loss = criterion(  # here
        picture,
        pixels.view(8, 4, 4),
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.append(loss.item())
print(len(history))
