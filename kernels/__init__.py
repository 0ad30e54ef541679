"""Pixels: arrays in, arrays out.

Arrays are (height, width, channel) float32 unless said otherwise; pixel centres lie at half-integers, x to the right,
y down. The array says where the work runs; nothing here touches a file.
"""
