from ccrcc_model.models.families_line import families_line


def entry(family: str, share: float, dropped: str | None = None) -> dict[str, object]:
    return {"family": family, "share": share, "dropped": dropped}


def test_families_are_named_by_their_share_and_those_left_out_with_the_reason() -> None:
    line = families_line([entry("ridge", 0.25), entry("forest", 0.75), entry("boosting", 0.0, "it scores all patients alike")])
    assert line == (
        "share of the families in the score: random forest 75%, ridge on all features 25%; "
        "boosted trees left out: it scores all patients alike"
    )
