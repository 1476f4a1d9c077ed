"""From data to shares: steps before a partition, the dealing of examples, and steps after it.

base_to_new           classes that are not trained on
shift_composition     feature, quantity and label shift
long_tail             classes with fewer images by rank
example_assignment    examples to clients, by counts
integer_rounding      whole numbers in proportion
few_shot              shots
post_split            global test data, concept shift, corruption, unseen clients
"""
