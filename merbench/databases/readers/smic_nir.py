"""SMIC-NIR: the clips of SMIC's slower camera for near infrared, 25 frames a second (Li et al., FG 2013).

Frames are in ``NIR/s11/micro/negative/s11_ne_01/image000100.bmp``, cropped ones in ``SMIC_all_cropped/NIR/`` with the
same folders and ``reg_image000100.bmp``, five digits in some copies. The people are those of SMIC-HS with the same ids.
"""

from merbench.databases.readers.smic import camera

DATABASE = camera("NIR", "SMIC-NIR", "71 clips of 8 subjects", fps=25, untried=True)
