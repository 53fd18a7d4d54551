"""CLIP models: which published weights a tag means, and what is said of names nobody knows."""

import open_clip
import pytest
import torch
from open_clip.pretrained import get_pretrained_cfg

from gapmatch.models.clip_models import load_clip, name_own_weights
from gapmatch.running.errors import InputError


@pytest.mark.parametrize(("model", "tag"), open_clip.list_pretrained())
def test_no_tag_means_the_weights_of_another(model: str, tag: str) -> None:
    name_own_weights(model, tag)
    place = get_pretrained_cfg(model, tag)
    assert place.get("hf_hub") or place.get("url")
    if hub := place.get("hf_hub"):
        others = set(open_clip.list_pretrained_tags_by_model(model)) - {tag}
        assert not any(hub.endswith(f".{other}/") for other in others)


def test_paper_embedder_is_of_its_last_epoch() -> None:
    name_own_weights("ViT-B-16-plus-240", "laion400m_e32")
    place = get_pretrained_cfg("ViT-B-16-plus-240", "laion400m_e32")
    assert not place["hf_hub"]
    assert "laion400m_e32" in place["url"]


@pytest.mark.parametrize(("model", "tag"), [("ViT-B-33", "openai"), ("ViT-B-32", "laion400m_e99")])
def test_unknown_names_are_told(model: str, tag: str) -> None:
    with pytest.raises(InputError, match=f"the model {model} of open_clip cannot be had"):
        load_clip(model, torch.device("cpu"), pretrained=tag)
