# SPDX-License-Identifier: Apache-2.0
import os

SECRET_KEY = os.environ.get("SECRET_KEY", "not secret: nothing here is signed")
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
USE_TZ = True
TIME_ZONE = "UTC"
