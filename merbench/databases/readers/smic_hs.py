"""SMIC-HS: spontaneous micro-expressions of three classes at 100 frames a second (Li et al., FG 2013).

Frames are in ``HS/s1/micro/negative/s1_ne_01/image000100.bmp``, cropped ones in ``SMIC_all_cropped/HS/`` with the same
folders and ``reg_image000100.bmp``; VIS and NIR, slower cameras with some of the same events, have their own readers.
"""

from merbench.databases.readers.smic import camera

DATABASE = camera("HS", "SMIC", "164 clips of 16 subjects", fps=100)
