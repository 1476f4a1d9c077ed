"""Pretraining of the shipped backbone `fedsilo-tiny`: contrastive, on captioned emblems, from random weights."""
