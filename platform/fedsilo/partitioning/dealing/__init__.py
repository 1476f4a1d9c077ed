"""From data to shares: what is taken out before, how the rest is dealt, what is done to shares afterwards.

@@
composition    feature, quantity and label shift        few_shot       shots
assignment      examples to clients, by counts           apportionment  whole numbers in proportion
"""
