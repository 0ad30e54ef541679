"""The CUDA kernels, one module for each module of `kernels` that has loops. They hold iteration and bounds only.

Imported when an array lies on a GPU, by `kernels.launch`; the CPU needs none of it.
"""
