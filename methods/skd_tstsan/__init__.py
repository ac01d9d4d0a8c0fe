"""SKD-TSTSAN: three streams with learned magnification, two auxiliary heads that learn from the last one."""
