# SPDX-License-Identifier: Apache-2.0
from django.urls import path

from shop import views

urlpatterns = [path("", views.hello), path("sleep", views.sleep), path("echo", views.echo),
               path("limits", views.limits)]
