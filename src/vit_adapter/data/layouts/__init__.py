"""Layouts of data sets on disk: the plain folder, lists, and the official form of every published one."""
