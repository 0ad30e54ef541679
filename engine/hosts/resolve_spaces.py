"""What DaVinci Resolve calls colour spaces, beside the engine's (OpenColorIO's) names: goes along with the scripts.

Of Resolve's names the first is the one that is set; all of them are understood, in any spelling of spaces and signs,
and with the " - CSC" that ACES projects have at their end. They are from its menus and were not tried with all.
"""

SPACES: dict[str, tuple[str, ...]] = {
    "ACEScg": ("ACEScg", "ACEScg (AP1)", "ACES (AP1)", "ACES (AP1) Linear"),
    "ACES2065-1": ("ACES (AP0)", "ACES AP0 Linear", "No Output Transform", "No Input Transform"),
    "ACEScct": ("ACEScct", "ACEScct (AP1)"),
    "ACEScc": ("ACEScc", "ACEScc (AP1)"),
    "DaVinci Intermediate WideGamut": ("DaVinci WG/Intermediate", "DaVinci Wide Gamut Intermediate"),
    "Linear DaVinci WideGamut": ("DaVinci WG/Linear", "DaVinci Wide Gamut Linear"),
    "ARRI LogC3 (EI800)": ("ARRI LogC3", "ARRI LogC", "ARRI Wide Gamut 3/LogC3", "ARRI LogC EI800 AWG"),
    "ARRI LogC4": ("ARRI LogC4", "ARRI Wide Gamut 4/LogC4"),
    "BMDFilm WideGamut Gen5": ("Blackmagic Design Film Gen 5", "Blackmagic Design WG Gen 5/Film Gen 5"),
    "CanonLog2 CinemaGamut D55": ("Canon Cinema Gamut/Canon Log 2", "Canon Log 2 Cinema Gamut"),
    "CanonLog3 CinemaGamut D55": ("Canon Cinema Gamut/Canon Log 3", "Canon Log 3 Cinema Gamut"),
    "D-Log D-Gamut": ("DJI D-Gamut/D-Log",),
    "V-Log V-Gamut": ("Panasonic V-Gamut/V-Log", "Panasonic Varicam VLog VGamut"),
    "Log3G10 REDWideGamutRGB": ("REDWideGamutRGB/Log3G10", "RED Log3G10 REDWideGamutRGB", "RWG/Log3G10"),
    "S-Log3 S-Gamut3": ("S-Gamut3/S-Log3", "Sony SLog3 SGamut3"),
    "S-Log3 S-Gamut3.Cine": ("S-Gamut3.Cine/S-Log3", "Sony SLog3 SGamut3Cine"),
    "Apple Log": ("Apple Log",),
    "Linear Rec.709 (sRGB)": ("Rec.709 Linear", "Linear", "sRGB (Linear)"),
    "Linear P3-D65": ("P3-D65 Linear",),
    "Linear Rec.2020": ("Rec.2020 Linear",),
    "Camera Rec.709": ("Rec.709 (Scene)", "Rec.709"),
    "Gamma 2.2 Encoded Rec.709": ("Rec.709 Gamma 2.2",),
    "Gamma 2.4 Encoded Rec.709": ("Rec.709 Gamma 2.4",),
    "sRGB Encoded Rec.709 (sRGB)": ("sRGB", "sRGB (Texture)"),
}  # fmt: skip
