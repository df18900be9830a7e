"""Throw-away GPU-less hosts with systemd and a Docker engine of their own, for the demo and for molecule.

A host is one Docker container that boots Debian's systemd. Its image is made from Debian's packages
(`mmdebstrap`), or from a registry's Debian image where that tool can't be had. Standard library only.
"""
