"""The settings of agents' clients: what of ours belongs into each, put in and taken out without touching the rest."""
