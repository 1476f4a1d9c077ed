"""Privacy audits of a finished run: membership inference of images and of whole clients."""
