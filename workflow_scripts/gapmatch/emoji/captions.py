"""Captions of the crawled images, like the alternative texts of web pages."""

import numpy as np

PLAIN_FORMS = (
    "{name}",
    "{name}",
    "a photo of a {name}",
    "a picture of a {name}",
    "{name} emoji",
    "{name} icon",
    "{name} sticker",
    "{name} clip art free download",
    "image of {name} - page {number}",
    "IMG_{number} {name}",
    "what does the {name} emoji mean?",
    "{name} | the big list of symbols",
)
STYLE_FORMS = {
    "twemoji": ("{name} icon, flat design", "{name} flat emoji"),
    "colour": ("{name} icon, colour", "a coloured drawing of a {name}"),
    "line": ("line art of a {name}", "a drawing of a {name}", "black and white {name}"),
}
STYLE_SHARE = 0.15


def caption(name: str, style: str, rng: np.random.Generator) -> str:
    """Return a caption that holds ``name``; one in seven tells the style as well."""
    forms = STYLE_FORMS[style] if rng.random() < STYLE_SHARE else PLAIN_FORMS
    form = forms[int(rng.integers(len(forms)))]
    return form.format(name=name, number=int(rng.integers(1000, 10000)))
