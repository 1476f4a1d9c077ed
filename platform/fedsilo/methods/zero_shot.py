"""Zero-shot CLIP: the hand-written prompt, no training, nothing shared. The row that every method is compared with.

Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
"""

from fedsilo.learners.zero_shot import ZeroShotLearner
from fedsilo.strategies.local import LocalStrategy
from fedsilo.training.recipe_factory import recipe

ZeroShot = recipe(
    "ZeroShot",
    'Classify by the data set\'s own template, such as "a photo of a {}.".',
    ZeroShotLearner,
    LocalStrategy,
)
