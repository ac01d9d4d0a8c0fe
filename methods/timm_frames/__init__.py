"""Any backbone of timm on pictures of the face."""
