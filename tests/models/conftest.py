"""torchvision is the oracle of these tests: its door is opened before any of them imports it."""

from boda.torchvision_door import open_door

open_door()
