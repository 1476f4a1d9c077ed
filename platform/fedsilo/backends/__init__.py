"""Where clients live; the serial one is here, Ray's is fedsilo_actors."""
