"""Faces in pictures: found, fitted with a mesh, recognised, followed through a shot and smoothed."""
