"""What a file is, by its first bytes, and why it is not an image."""

from pathlib import Path

from vit_adapter.config import InputError

SUPPORTED_FORMATS = "JPEG, PNG, TIFF, BMP, WebP, GIF, PPM, PGM, PBM and NPY"
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # BigTIFF
    b"MM\0+": "TIFF",
    b"\x93NUMPY": "NPY",
}
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1", b"avif", b"avis")
QUICKTIME_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")  # MP4 and MOV
VIDEO_SIGNATURES = (b"\x1aE\xdf\xa3", b"\0\0\1\xba", b"\0\0\1\xb3")  # Matroska and WebM, MPEG


class UnreadableImageError(InputError):
    """No image can be decoded from the file. Training skips, counts and reports such files."""


class TooManyPixelsError(UnreadableImageError):
    """The file declares more pixels than the caller takes.

    Attributes:
        width: As declared, in pixels.
        height: As declared, in pixels.
    """

    def __init__(self, message: str, width: int, height: int) -> None:
        super().__init__(message)
        self.width, self.height = width, height


def recognise(path: Path, start: bytes) -> str:
    """Format by the first bytes, or the reason why there is no image in the file."""
    if not start:
        raise UnreadableImageError(f"{path}: empty file (0 bytes)")
    for signature, kind in SIGNATURES.items():
        if start.startswith(signature):
            return kind
    if start[:1] == b"P" and start[1:2] in b"123456" and start[2:3].isspace():
        return "PPM"
    container, brand = start[:4], start[8:12]
    if container == b"RIFF" and brand == b"WEBP":
        return "WEBP"
    raise UnreadableImageError(f"{path}: {_reason(start, container, brand)}")


def _reason(start: bytes, container: bytes, brand: bytes) -> str:
    """Why a file with these first bytes is not an image."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the image itself; fetch it with: git lfs pull"
    if text.startswith((b"<!doctype html", b"<html")):
        return "not an image but a web page (HTML), perhaps a download that failed"
    if start[4:8] == b"ftyp" and brand in HEIF_BRANDS:
        return f"HEIC and AVIF images are not supported; convert to one of {SUPPORTED_FORMATS}"
    avi = container == b"RIFF" and brand == b"AVI "
    if avi or start[4:8] in QUICKTIME_ATOMS or container in VIDEO_SIGNATURES:
        return "a video, expected an image; predict takes it with --video, else extract its frames as images"
    if _is_text(start):
        return f"not an image but text; supported formats are {SUPPORTED_FORMATS}"
    return f"not an image in a supported format ({SUPPORTED_FORMATS})"


def _is_text(start: bytes) -> bool:
    try:
        # The last bytes may be the first half of a character.
        text = start[:-4].decode() if len(start) > 16 else start.decode()
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)
