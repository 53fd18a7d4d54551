"""What is written on a figure."""

from matplotlib.figure import Figure


def texts(figure: Figure) -> str:
    """Return the titles of its panels."""
    return " ".join(panel.get_title() for panel in figure.axes)
