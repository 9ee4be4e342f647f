"""Widgets that several docks share: forms, panels, plots, pictures, dialogs."""
