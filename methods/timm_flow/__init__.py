"""Any backbone of timm on the flow image."""
