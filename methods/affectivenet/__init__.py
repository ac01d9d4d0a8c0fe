"""AffectiveNet-style: a clip in one picture, seen at four scales, a reconstruction."""
