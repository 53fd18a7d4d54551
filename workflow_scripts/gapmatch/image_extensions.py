"""The image files that datasets may hold."""

IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp")
