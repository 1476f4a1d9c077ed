"""Zero-shot CLIP: the hand-written prompt, no training, nothing shared. The row every method is held against.

Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
"""

from fedsilo.learners.zero_shot import ZeroShotLearner
from fedsilo.strategies.local import LocalStrategy
from fedsilo.training.recipes import recipe

ZeroShot = recipe(
    "ZeroShot",
    'Classify by the data set\'s own template, such as "a photo of a {}.".',
    ZeroShotLearner,
    LocalStrategy,
)
