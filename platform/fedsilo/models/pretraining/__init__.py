"""How the embedded backbone `fedsilo-tiny` came to be: contrastive pretraining on captioned emblems, from nothing."""
