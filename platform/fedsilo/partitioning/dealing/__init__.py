"""From data to shares: what is taken out before, how the rest is dealt, what is done to shares afterwards.

novelty        classes that nobody trains on            afterwards     unseen, concept, corruption, global test data
composition    feature, quantity and label shift        few_shot       shots
allotment      examples to clients, by counts           apportionment  whole numbers in proportion
"""
