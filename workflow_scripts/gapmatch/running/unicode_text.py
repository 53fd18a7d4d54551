"""Names as file systems have them: any bytes, where texts in files must be UTF-8."""


def escaped(text: str) -> str:
    """Return a text that UTF-8 can hold: bytes of a name that are none of it are shown escaped."""
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


def is_text(text: str) -> bool:
    """Return whether UTF-8 can hold a text."""
    return escaped(text) == text
