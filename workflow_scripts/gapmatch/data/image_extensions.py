"""The image files that datasets may hold."""

IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp")

IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""What Pillow may take such a file for; of more formats, EPS would start Ghostscript."""
