import torch


class Trainer:
    def __init__(self):
        self.model = torch.nn.Sequential(
            torch.nn.Linear(3, 6), torch.nn.ReLU(), torch.nn.Linear(6, 1)
        )
        self.optimizer = torch.optim.RMSprop(self.model.parameters())
        self.history = {"train": []}

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = (self.model(x).squeeze(1) - y).abs().mean()
        self.history["train"].append(loss)  # here
        loss.backward()
        self.optimizer.step()


trainer = Trainer()
for _ in range(10):
    trainer.step(torch.randn(6, 3), torch.randn(6))
