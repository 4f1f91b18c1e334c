import torch


def train(net, steps):
    opt = torch.optim.AdamW(net.parameters(), lr=1e-3)
    warmup = torch.optim.lr_scheduler.LambdaLR(opt, lambda step: min(1.0, (step + 1) / 10))
    for _ in range(steps):
        loss = net(torch.randn(4, 3)).abs().mean()
        opt.zero_grad()
        loss.backward()
        warmup.step()  # here
        opt.step()
    return warmup.get_last_lr()


print(len(train(torch.nn.Linear(3, 3), 5)))
