"""`hil sweep-arena`: the smallest arena that really works, found on the device and proved."""
