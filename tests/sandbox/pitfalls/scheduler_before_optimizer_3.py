import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR


class Run:
    def __init__(self):
        self.model = torch.nn.Linear(3, 2)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.2)
        warm = LinearLR(self.optimizer, total_iters=2)
        cosine = CosineAnnealingLR(self.optimizer, T_max=4)
        self.scheduler = SequentialLR(self.optimizer, [warm, cosine], milestones=[2])

    def update(self, x, y):
        self.scheduler.step()  # here
        self.optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()


run = Run()
for _ in range(5):
    run.update(torch.randn(8, 3), torch.randint(0, 2, (8,)))
