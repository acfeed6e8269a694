import numpy as np

from ccrcc_model.fitting.families.offset import Offset
from ccrcc_model.fitting.inner import whole_part
from ccrcc_model.models.volume import fit_volume
from ccrcc_model.outcomes.cases import label
from ccrcc_model.outcomes.target import GRADE


def test_without_features_it_is_the_volume_model(planted) -> None:
    cases = label(*planted(60, features=20), GRADE)
    still = Offset(learning_rate=1e-12, prior=1e-9).fit(whole_part(cases), seed=0)[0]
    np.testing.assert_allclose(still.log_odds(cases), fit_volume(cases).log_odds(cases), atol=1e-6)
