"""SMIC-VIS: the clips of SMIC's slower camera for visible light, 25 frames a second (Li et al., FG 2013).

Frames are in ``VIS/s11/micro/negative/s11_ne_01/image000100.bmp``, cropped ones in ``SMIC_all_cropped/VIS/`` with the
same folders and ``reg_image000100.bmp``, five digits in some copies. The people are those of SMIC-HS with the same ids.
"""

from merbench.databases.readers.smic import camera

DATABASE = camera("VIS", "SMIC-VIS", "71 clips of 8 subjects", fps=25, untried=True)
