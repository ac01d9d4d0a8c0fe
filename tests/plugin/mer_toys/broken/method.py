raise RuntimeError("[bold]a toy\nbroke")
