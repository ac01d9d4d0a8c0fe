"""MEDN: motion-emotion feature decoupling, a reconstruction."""
