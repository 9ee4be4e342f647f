"""What the linked views share, without a window: the selection, the lasso test and the point rasteriser."""
