"""MoExt: motion between onset and apex, learned by reconstructing the apex, then classified."""
