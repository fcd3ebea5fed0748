"""PlatformIO pre-script: `HIL_UPLOAD_SPEED` overrides an environment's upload_speed, for one more try on a bad line."""

import os

Import("env")

if os.environ.get("HIL_UPLOAD_SPEED"):
    env.Replace(UPLOAD_SPEED=os.environ["HIL_UPLOAD_SPEED"])
