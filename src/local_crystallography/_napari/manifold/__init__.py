"""The manifold dock: decoded images over the latents, and the classes in pictures."""
