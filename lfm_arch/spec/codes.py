"""Every rule of the language: E1xx files, E2xx fields, E3xx names and small languages, E6xx spaces, Wxxx warnings."""

from lfm_arch.core.errors import Code
from lfm_arch.spec.field_codes import FIELD_CODES
from lfm_arch.spec.language_codes import LANGUAGE_CODES
from lfm_arch.spec.load_codes import LOAD_CODES
from lfm_arch.spec.space_codes import SPACE_CODES

CODES: tuple[Code, ...] = (*LOAD_CODES, *FIELD_CODES, *LANGUAGE_CODES, *SPACE_CODES)
