// SPDX-License-Identifier: Apache-2.0
import 'reflect-metadata';
import { Controller, Get, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

@Controller()
class Application {
  @Get('hello/:n')
  hello(@Param('n') n: string) {
    return `hello ${n} from nest`;
  }

  @Get('timer/:ms')
  timer(@Param('ms') ms: string) {
    const due = performance.now() + Number(ms);
    setTimeout(() => console.log(`timer ${ms} late ${Math.round(performance.now() - due)} ms`), Number(ms));
    return `timer ${ms} set`;
  }
}

@Module({ controllers: [Application] })
class ApplicationModule {}

async function main() {
  const app = await NestFactory.create(ApplicationModule);
  app.enableShutdownHooks();
  await app.listen(process.env.PORT ?? 3000);
}
main();
