# SPDX-License-Identifier: Apache-2.0
"""A whole Django project in one file: WSGI as `wsgi`, ASGI as `asgi`."""
import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.urls import path

import timers

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="of a test", DEBUG=False)
django.setup()


def hello(request, n):
    return HttpResponse(f"hello {n} from django", content_type="text/plain")


def timer(request, ms):
    return HttpResponse(timers.by_thread(ms))


def echo(request):
    return HttpResponse(request.body, content_type="application/octet-stream")


urlpatterns = [path("hello/<int:n>", hello), path("timer/<int:ms>", timer), path("echo", echo)]
wsgi = WSGIHandler()
asgi = ASGIHandler()
