"""The steps of an augmentation, each as data that can be applied."""
