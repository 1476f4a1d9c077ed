"""A package of somebody's own: a task, learners and a strategy, one file each. The tests copy it and name it."""
