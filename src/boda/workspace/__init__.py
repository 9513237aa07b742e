"""The folder NAME.boda: images, labels, features by recipe, quarantine. The one thing users keep."""
