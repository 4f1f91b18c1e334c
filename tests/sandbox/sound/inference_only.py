import torch
from torch import nn

model = nn.Sequential(
    nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 5)
)
model.eval()
with torch.inference_mode():
    probabilities = model(torch.rand(4, 3, 8, 8)).softmax(1)
top, classes = probabilities.topk(2)
print(top.shape, classes.shape)
