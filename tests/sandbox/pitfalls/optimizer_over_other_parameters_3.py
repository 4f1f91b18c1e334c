import torch


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.features = torch.nn.Linear(6, 6)
        self.fc = torch.nn.Linear(6, 1000)

    def forward(self, x):
        return self.fc(self.features(x).relu())


model = Classifier()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
model.fc = torch.nn.Linear(6, 4)
criterion = torch.nn.CrossEntropyLoss()
for _ in range(5):
    inputs, labels = torch.randn(10, 6), torch.randint(0, 4, (10,))
    optimizer.zero_grad()
    criterion(model(inputs), labels).backward()
    optimizer.step()  # here
